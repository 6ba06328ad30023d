#![cfg_attr(fuzzing, no_main)]
grantry_fuzz::target!(user_code);
