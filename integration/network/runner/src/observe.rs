//! What nodes say about themselves: JSON-RPC and Prometheus metrics.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use prometheus_parse::{Scrape, Value as Sample};
use serde_json::{Value, json};

/// How long a node may take to answer. A node that is not optimised on a busy machine takes seconds.
const ANSWER: Duration = Duration::from_secs(30);

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER))
        .build()
        .into()
}

/// The JSON-RPC server of a node.
pub struct Rpc {
    port: u16,
}

impl Rpc {
    /// The server at this port of the loopback interface.
    pub fn new(port: u16) -> Self {
        Self { port }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// The node does not answer, or answers with an error.
    pub fn call(&self, method: &str, parameters: Value) -> Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
        let mut answer: Value = agent()
            .post(format!("http://127.0.0.1:{}", self.port))
            .send_json(&request)
            .with_context(|| method.to_owned())?
            .body_mut()
            .read_json()
            .with_context(|| method.to_owned())?;
        match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].take()),
        }
    }

    /// The number of the best block.
    ///
    /// # Errors
    /// As for [`Rpc::call`].
    pub fn best(&self) -> Result<u64> {
        block_number(&self.call("chain_getHeader", json!([]))?)
    }

    /// The number of the newest finalised block.
    ///
    /// # Errors
    /// As for [`Rpc::call`].
    pub fn finalized(&self) -> Result<u64> {
        let hash = self.call("chain_getFinalizedHead", json!([]))?;
        block_number(&self.call("chain_getHeader", json!([hash]))?)
    }

    /// How long an epoch of the relay chain is by the runtime.
    ///
    /// # Errors
    /// As for [`Rpc::call`], or the answer does not begin with two numbers.
    pub fn epoch(&self) -> Result<Duration> {
        let answer = self.call("state_call", json!(["BabeApi_configuration", "0x"]))?;
        let bytes = bytes(answer.as_str().context("the answer is no text")?)?;
        // The configuration begins with the duration of a slot in milliseconds and the slots of an epoch.
        let numbers: (u64, u64) = parity_scale_codec::Decode::decode(&mut &bytes[..])?;
        Ok(Duration::from_millis(numbers.0.saturating_mul(numbers.1)))
    }
}

fn block_number(header: &Value) -> Result<u64> {
    let text = header["number"]
        .as_str()
        .context("a header without a number")?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// The bytes of a text with `0x` before hexadecimal digits.
///
/// # Errors
/// The text is not of that form.
pub fn bytes(text: &str) -> Result<Vec<u8>> {
    let digits = text
        .trim()
        .strip_prefix("0x")
        .context("no 0x at the beginning")?;
    Ok(hex::decode(digits)?)
}

/// The metrics of a node at one moment.
pub struct Metrics(Scrape);

impl Metrics {
    /// Asks the node that serves metrics at this port of the loopback interface.
    ///
    /// # Errors
    /// The node does not answer, or not with metrics.
    pub fn fetch(port: u16) -> Result<Self> {
        let text = agent()
            .get(format!("http://127.0.0.1:{port}/metrics"))
            .call()
            .context("asking for metrics")?
            .body_mut()
            .read_to_string()
            .context("reading metrics")?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(Self(Scrape::parse(
            text.lines().map(|line| Ok(line.to_owned())),
        )?))
    }

    /// The sum of all samples with this name. A metric that was never counted does not exist: 0.
    pub fn sum(&self, name: &str) -> f64 {
        self.sum_where(name, |_| true)
    }

    /// The sum of all samples with this name and this label.
    pub fn sum_with(&self, name: &str, label: &str, value: &str) -> f64 {
        self.sum_where(name, |labels| labels.get(label) == Some(value))
    }

    fn sum_where(&self, name: &str, wanted: impl Fn(&prometheus_parse::Labels) -> bool) -> f64 {
        let samples = self
            .0
            .samples
            .iter()
            .filter(|sample| sample.metric == name && wanted(&sample.labels));
        let values = samples.map(|sample| match sample.value {
            Sample::Counter(value) | Sample::Gauge(value) | Sample::Untyped(value) => value,
            Sample::Histogram(_) | Sample::Summary(_) => 0.0,
        });
        // A sum of no numbers is -0 otherwise.
        values.fold(0.0, |sum, value| sum + value)
    }

    /// How often a histogram was given a time, and the mean of the times.
    pub fn times(&self, name: &str) -> Times {
        let count = self.sum(&format!("{name}_count"));
        let sum = self.sum(&format!("{name}_sum"));
        Times {
            count,
            mean: if count > 0.0 { sum / count } else { 0.0 },
        }
    }
}

/// Times that a histogram has collected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// How many.
    pub count: f64,
    /// The mean in seconds.
    pub mean: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of Prometheus's exposition format, version 0.0.4.
    const TEXT: &str = r#"# HELP polkadot_pvf_execution_time Time spent in executing PVFs
# TYPE polkadot_pvf_execution_time histogram
polkadot_pvf_execution_time_bucket{chain="a",le="0.01"} 2
polkadot_pvf_execution_time_bucket{chain="a",le="+Inf"} 4
polkadot_pvf_execution_time_sum{chain="a"} 0.5
polkadot_pvf_execution_time_count{chain="a"} 4
# HELP polkadot_parachain_candidate_dispute_concluded Concluded dispute votes, sorted by whether
# TYPE polkadot_parachain_candidate_dispute_concluded counter
polkadot_parachain_candidate_dispute_concluded{chain="a",validity="valid"} 3
polkadot_parachain_candidate_dispute_concluded{chain="a",validity="invalid"} 1
# TYPE polkadot_parachain_candidate_disputes_total counter
polkadot_parachain_candidate_disputes_total{chain="a"} 4
"#;

    #[test]
    fn counters_and_histograms_are_read() {
        let metrics = Metrics::parse(TEXT).unwrap();
        assert_eq!(
            metrics.times("polkadot_pvf_execution_time"),
            Times {
                count: 4.0,
                mean: 0.125
            }
        );
        assert_eq!(
            metrics.sum("polkadot_parachain_candidate_dispute_concluded"),
            4.0
        );
        assert_eq!(
            metrics.sum_with(
                "polkadot_parachain_candidate_dispute_concluded",
                "validity",
                "valid"
            ),
            3.0
        );
        assert_eq!(
            metrics.sum("polkadot_parachain_candidate_disputes_total"),
            4.0
        );
        assert_eq!(metrics.sum("polkadot_pvf_execute_finished"), 0.0);
    }

    #[test]
    fn a_block_number_is_hexadecimal() {
        assert_eq!(block_number(&json!({"number": "0x1f"})).unwrap(), 31);
        assert!(block_number(&json!({})).is_err());
    }
}
