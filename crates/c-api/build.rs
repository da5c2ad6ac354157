//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Programs look for the library by its name, not where it lay when they were linked.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libpvf.so");
    // The signal handlers stay installed, so their code has to stay in memory after `dlclose`.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // What dependencies have without mangling (libsecp256k1) is not for the programs that link us.
    println!("cargo::rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
}
