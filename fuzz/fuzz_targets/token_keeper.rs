#![cfg_attr(fuzzing, no_main)]
grantry_fuzz::target!(token_keeper);
