//! The numbers.
/// x
#[derive(clap::Args)]
pub struct NumbersArgs {}
impl NumbersArgs {
    /// x
    /// # Errors
    pub async fn run(self) -> anyhow::Result<bool> {
        Ok(true)
    }
}
