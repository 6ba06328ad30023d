//! `photoprint`: open the three sites for a person, or walk the tour.
#![expect(clippy::disallowed_methods, reason = "a program writes to its terminal")]

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use lexopt::Arg;
use photoprint::{Narrator, Sites, StartError, tour};

const HELP: &str = "\
One login, watched from all sides: an accounts site, a photo printing shop and a photos API.

Usage: photoprint [--tour]

Without an option, three sites open on this computer. Open the address that is printed in a browser
and click through: every step of the flow is printed as it happens. Ctrl-C ends it.

  --tour    walk the same flow without a browser, and check every step
  --help    print this text
";

enum Mode {
    Help,
    People,
    Tour,
}

#[tokio::main]
async fn main() -> ExitCode {
    match start().await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(stderr(), "photoprint: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<ExitCode, StartError> {
    let narrator = Narrator::new(stdout());
    match mode()? {
        Mode::Help => stdout().write_all(HELP.as_bytes())?,
        Mode::People => serve_people(&narrator).await?,
        Mode::Tour => {
            let sites = Sites::open(narrator.clone(), "PhotoPrint").await?;
            if let Err(failed) = tour::walk(&sites, &narrator).await {
                narrator.say(&format!("\nFAILED: {failed}"));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn mode() -> Result<Mode, lexopt::Error> {
    let mut mode = Mode::People;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        mode = match argument {
            Arg::Long("tour") => Mode::Tour,
            Arg::Long("help") | Arg::Short('h') => return Ok(Mode::Help),
            other @ (Arg::Long(_) | Arg::Short(_) | Arg::Value(_)) => return Err(other.unexpected()),
        };
    }
    Ok(mode)
}

async fn serve_people(narrator: &Narrator) -> Result<(), StartError> {
    let sites = Sites::open(narrator.clone(), "PhotoPrint").await?;
    narrator.say(&format!(
        "PhotoPrint is open. Go there with a browser:\n\n    {}\n\n\
         and sign in as   {}\nwith password    {}\n\n\
         Every step is printed here as it happens, with secrets shortened. Ctrl-C ends it.\n",
        sites.shop_url(),
        sites.username(),
        sites.password().expose(),
    ));
    tokio::signal::ctrl_c().await?;
    Ok(())
}
