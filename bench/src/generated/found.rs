//! The most expensive modules that `pvf-fuzz worst-case` found, by measure. The compiler was then changed so that they
//! stay within bounds.

use super::{MIB, Shape};
use pvf_generators::worst_case::Genome;

/// The module of approximately this size in bytes that a find describes.
fn module(find: &str, bytes: usize) -> Vec<u8> {
    let genome: Genome = find
        .parse()
        .expect("finds are written as the search prints them");
    genome.module(bytes)
}

const TARGETS: &str = "a target of a br_table is one byte of Wasm; it takes an entry of four bytes and a stub in the code, and planning its way takes instructions: on aarch64 3.4 times a normal module's instructions and 7.3 times its memory a byte, on x86-64 2.8 and 3.9";

const INDIRECT_CALLS: &str = "a call_indirect is five bytes of Wasm; it takes 55 bytes of code, three trap sites, three labels and two pieces of code after the function: 8.7 times a normal module's memory on x86-64, 9.6 on aarch64";

const LOOP_SETS: &str = "a loop is three bytes of Wasm; while it is open, pass 1 keeps the sets of locals that are read and written in it, of 153 locals 48 bytes, and after it the set of those alive: 7.1 times a normal module's memory";

pub(super) const SHAPES: &[Shape] = &[
    Shape::new(
        "found: code, x86-64",
        "nested ifs around calls and br_tables: what a label leaves in registers goes home at each call",
        MIB,
        |bytes| {
            module(
                "0 0 0 1 1 0 14.20 14.146 14.83 19.183 14.116 22.78 17.219 14.146 19.78 8.80 14.75 4.107 0.245 15.154 28.40 22.71 5.149 23.94 4.147 13.160 3.175 25.54 1.110 15.111 14.51 7.125 7.28 5.255 19.127 4.74 20.7 23.197 5.221 23.247 4.74 6.121 15.253 4.74 23.131 4.120 23.197 6.29 20.242 5.221 6.177 19.223 4.74",
                bytes,
            )
        },
    ),
    Shape::new(
        "found: memory, x86-64",
        "values of blocks behind 120 open blocks",
        MIB,
        |bytes| {
            module(
                "120 0 13 4 1 0 0.61 23.103 18.116 26.83 15.111 5.165 20.144 26.16 21.85 20.144 26.16 0.61 23.103 18.116 26.83 15.111 5.165 20.144 26.16 21.85 20.144 26.16",
                bytes,
            )
        },
    ),
    Shape::new(
        "found: time, x86-64",
        "values carried out of blocks",
        MIB,
        |bytes| {
            module(
                "40 1 10 5 0 0 0.145 26.134 20.144 15.111 5.165 18.116 6.120",
                bytes,
            )
        },
    ),
    Shape::new(
        "found: code, aarch64",
        "the same as on x86-64, with branches in between",
        MIB,
        |bytes| {
            module(
                "0 1 0 0 0 0 14.197 5.144 25.77 22.183 14.182 14.255 20.185 11.66 9.35 4.72 4.19 14.173 5.114 14.106 7.216 14.170 14.217 3.30 16.250 4.18 3.79 8.197 5.161 20.203 13.190 9.129 3.36 15.115 6.59 5.107 4.19 19.173 7.143 4.246 4.48 25.98 8.114 23.113 20.212 7.255 25.222 9.148 6.88 6.130 8.225 5.144 4.19",
                bytes,
            )
        },
    ),
    Shape::new(
        "found: memory, aarch64",
        "operands that wait to the end",
        MIB,
        |bytes| {
            module(
                "1 1 3 5 1 1 5.155 15.10 20.13 23.77 20.13 20.253 5.155 23.131 20.13 5.155 23.77",
                bytes,
            )
        },
    ),
    Shape::new(
        "found: time, aarch64",
        "br_tables over 41 labels of different states",
        MIB,
        |bytes| {
            module(
                "40 0 14 12 1 0 6.63 8.100 13.64 26.79 6.63 5.7 20.43 5.17 5.191 29.219 5.191 5.191 5.191 29.219 5.191 5.191",
                bytes,
            )
        },
    )
    .except(3.0, 6.0, TARGETS),
    Shape::new(
        "found: calls of a table",
        "blocks that stay open around nothing but call_indirect",
        MIB,
        |bytes| {
            module(
                "2 0 2 2 0 0 6.212 22.174 22.174 16.181 9.51 16.181 6.127 6.127 16.181 17.172 16.181 16.181 6.127 6.127 16.181 17.172 16.181",
                bytes,
            )
        },
    )
    .except(3.0, 11.0, INDIRECT_CALLS),
    Shape::new(
        "found: loops and locals",
        "loops that stay open, with 153 locals of which most are constants",
        MIB,
        |bytes| {
            module(
                "2 1 0 4 0 0 6.28 22.241 22.202 6.28 25.137 1.251 6.28 23.183 15.74",
                bytes,
            )
        },
    )
    .except(3.0, 8.0, LOOP_SETS),
    Shape::new(
        "found: br_tables in open blocks",
        "br_tables of up to 120 targets over blocks and loops that stay open",
        MIB,
        |bytes| {
            module(
                "1 1 13 3 1 0 28.31 22.14 6.73 19.70 14.230 5.103 16.247 16.130 16.247 1.136 22.14 29.167 8.147 25.177 8.101 18.209 16.247 4.236 11.229 8.253 21.126 13.192 16.247 22.232 29.167 8.67 3.169 5.103 21.233 3.248 8.67 26.147 25.177 0.20 21.126 13.140 13.140 28.31 8.67 6.83 21.233 13.42 3.248 13.192 15.231 22.11 22.11",
                // The epilogue closes the open blocks.
                bytes / 2,
            )
        },
    )
    .except(3.6, 8.0, TARGETS),
];
