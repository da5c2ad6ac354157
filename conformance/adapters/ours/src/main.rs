//! The adapter as a program of its own: lines in, lines out.

use std::io;

fn main() -> io::Result<()> {
    pvf_adapter::serve(io::stdin().lock(), io::stdout().lock())
}
