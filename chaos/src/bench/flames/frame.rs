//! Stacks laid over each other: a tree of frames, each with the time that was spent in it and in what it calls.

use std::collections::BTreeMap;

/// A frame; the outermost one is all there is.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Frame {
    /// In seconds.
    pub(super) time: f64,
    pub(super) kernel: bool,
    pub(super) calls: BTreeMap<String, Frame>,
}

impl Frame {
    /// Lays over each other what `perf script --fields=comm,period,ip,sym` says: for each sample a line with the thread's name
    /// and the time in nanoseconds, then a line for each frame with its address and its name, the innermost first.
    pub(super) fn read(text: &str) -> Self {
        let mut all = Self::default();
        for sample in text.split("\n\n") {
            let mut lines = sample.trim_start_matches('\n').lines();
            let head = lines.next().and_then(|head| head.trim().rsplit_once(' '));
            let Some((Ok(nanos), thread)) = head.map(|(thread, time)| (time.parse::<f64>(), thread.trim()))
            else {
                continue;
            };
            let frames: Vec<_> = lines.filter_map(|line| line.trim().split_once(' ')).collect();
            let (seconds, mut at) = (nanos / 1e9, &mut all);
            at.time += seconds;
            // perf has not learned the name of each thread, and then says its number.
            at = at.call(if thread.starts_with(':') { "a thread" } else { thread }, false, seconds);
            for (address, name) in frames.into_iter().rev() {
                at = at.call(name, is_kernel(address, name), seconds);
            }
        }
        all
    }

    fn call(&mut self, name: &str, kernel: bool, time: f64) -> &mut Self {
        let frame = self.calls.entry(name.to_owned()).or_default();
        frame.time += time;
        frame.kernel = kernel;
        frame
    }

    /// Adds all of `other` as what `name` calls.
    pub(super) fn under(&mut self, name: &str, other: Self) {
        self.time += other.time;
        self.calls.insert(name.to_owned(), other);
    }

    /// The same with each time so many times as long.
    pub(super) fn scaled(mut self, factor: f64) -> Self {
        self.time *= factor;
        self.calls = self.calls.into_iter().map(|(name, frame)| (name, frame.scaled(factor))).collect();
        self
    }
}

/// The upper half of the addresses is the kernel's; but for the last one, which stands for what was not kept of a stack.
fn is_kernel(address: &str, name: &str) -> bool {
    address.len() == 16 && address.starts_with("ffff") && name != "[unknown]"
}

#[cfg(test)]
mod tests {
    use super::*;

    // Quarters of a second: their sums are exact.
    const SAMPLES: &str = "tokio worker    250000000 \n\tffffffff8223e275 tcp_sendmsg\n\t    55d0 <A as B>::write\n\t    55c0 main\n\n\
                           tokio worker    500000000 \n\t    55e0 parse\n\t    55c0 main\n\n";

    #[test]
    fn what_is_called_in_the_same_place_lies_over_each_other() {
        let all = Frame::read(SAMPLES);
        assert_eq!(all.time, 0.75);
        let main = &all.calls["tokio worker"].calls["main"];
        assert_eq!((main.time, main.kernel, main.calls.len()), (0.75, false, 2));
        let write = &main.calls["<A as B>::write"];
        assert_eq!(write.time, 0.25);
        assert!(write.calls["tcp_sendmsg"].kernel);
        assert_eq!(Frame::read("").time, 0.0);
        assert!(Frame::read(":7    1000 \n\t1 main\n").calls.contains_key("a thread"));
    }

    #[test]
    fn two_recordings_stand_side_by_side() {
        let mut both = Frame::default();
        both.under("a", Frame::read(SAMPLES).scaled(2.0));
        both.under("b", Frame::read(SAMPLES));
        assert_eq!((both.time, both.calls["a"].time), (2.25, 1.5));
        assert_eq!(both.calls["a"].calls["tokio worker"].calls["main"].calls["parse"].time, 1.0);
    }
}
