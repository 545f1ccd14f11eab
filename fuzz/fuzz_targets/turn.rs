#![no_main]
//! The target of the same name.
libfuzzer_sys::fuzz_target!(|data: &[u8]| headwater_fuzz::turn(data));
