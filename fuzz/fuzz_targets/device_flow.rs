#![cfg_attr(fuzzing, no_main)]
grantry_fuzz::target!(device_flow);
