//! Where libflashjit is: FLASHJIT_LIB_DIR, else what pkg-config says, else where the linker looks.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=FLASHJIT_LIB_DIR");
    println!("cargo:rustc-link-lib=flashjit");
    if let Ok(folder) = std::env::var("FLASHJIT_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        return;
    }
    let found = Command::new("pkg-config")
        .args(["--libs-only-L", "flashjit"])
        .output();
    if let Ok(output) = found {
        for flag in String::from_utf8_lossy(&output.stdout).split_whitespace() {
            println!(
                "cargo:rustc-link-search=native={}",
                flag.trim_start_matches("-L")
            );
        }
    }
}
