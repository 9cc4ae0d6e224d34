//! The command line of waybill.

fn main() {}
