//! Compiles the Kafka contract (`proto/quayside/v1`) without a `protoc` binary.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let root = "../../proto";
    let contract = "quayside/v1/ring.proto";
    println!("cargo:rerun-if-changed={root}/{contract}");
    let descriptors = protox::compile([contract], [root])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
