#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maxspan_fuzz::targets::extract::run(data));
