//! How much there is at once, at the most, of what limits are compared with: of processes, and of hosts that are out for repair.
//!
//! What counts is what a scheduler may have to compare with a limit at any moment of a tick, so rather too much than too little: a
//! process counts until the tick is over that hears of its end, and entries count that are about to gather, for which room is asked
//! whether or not they turn out to have something to gather.

use yardmaster_engine::Time;

use super::measurement::{Load, Window};

/// Counts the processes and the broken hosts of a run by kind.
#[derive(Debug)]
pub(super) struct LoadCounter {
    start: Time,
    window: Window,
    processes: Vec<Highest>,
    parsers: Vec<Highest>,
    broken: Vec<Highest>,
    /// Processes that have ended since the last tick: for all that a scheduler knows they run until it is told.
    ended: Vec<Counted>,
    heaviest: u32,
}

/// A process as a limit counts it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// For which kind.
    pub(super) kind: u32,
    /// For how many it counts on its drone; `None`: it is a parser, and counts for one among those.
    pub(super) weight: Option<u32>,
}

/// A number, and its greatest value in every hour.
#[derive(Debug, Clone, Default)]
struct Highest {
    value: u32,
    by_hour: Vec<u32>,
}

impl Highest {
    fn come_to(&mut self, hour: usize) {
        while self.by_hour.len() <= hour {
            self.by_hour.push(self.value);
        }
    }

    fn rise(&mut self, hour: usize, by: u32) {
        self.come_to(hour);
        self.value += by;
        self.by_hour[hour] = self.by_hour[hour].max(self.value);
    }

    fn fall(&mut self, hour: usize, by: u32) {
        self.come_to(hour);
        self.value -= by;
    }
}

impl LoadCounter {
    pub(super) fn new(start: Time, window: Window, kinds: usize) -> LoadCounter {
        let none = vec![Highest::default(); kinds];
        let (processes, parsers, broken) = (none.clone(), none.clone(), none);
        LoadCounter { start, window, processes, parsers, broken, ended: Vec::new(), heaviest: 0 }
    }

    fn hour(&self, at: Time) -> usize {
        Load::hour(self.start, self.window, at)
    }

    fn of(&mut self, process: Counted) -> (&mut Highest, u32) {
        match process.weight {
            Some(weight) => (&mut self.processes[process.kind as usize], weight),
            None => (&mut self.parsers[process.kind as usize], 1),
        }
    }

    pub(super) fn started(&mut self, process: Counted, now: Time) {
        let hour = self.hour(now);
        self.heaviest = self.heaviest.max(process.weight.unwrap_or(0));
        let (number, by) = self.of(process);
        number.rise(hour, by);
    }

    pub(super) fn ended(&mut self, process: Counted) {
        self.ended.push(process);
    }

    /// One more entry is to gather, or one fewer.
    pub(super) fn gathering_changed(&mut self, kind: u32, more: bool, now: Time) {
        let hour = self.hour(now);
        let number = &mut self.processes[kind as usize];
        if more { number.rise(hour, 1) } else { number.fall(hour, 1) }
    }

    /// A host of this kind could not be repaired, or is no longer given up.
    pub(super) fn host_changed(&mut self, kind: u32, is_broken: bool, now: Time) {
        let hour = self.hour(now);
        let number = &mut self.broken[kind as usize];
        if is_broken { number.rise(hour, 1) } else { number.fall(hour, 1) }
    }

    /// A tick is over: its scheduler has heard of all that had ended by then.
    pub(super) fn ticked(&mut self, now: Time) {
        let hour = self.hour(now);
        while let Some(process) = self.ended.pop() {
            let (number, by) = self.of(process);
            number.fall(hour, by);
        }
    }

    /// The load of a run up to this moment.
    pub(super) fn finish(mut self, end: Time) -> Load {
        let last = self.hour(end);
        let [processes, parsers, broken] = [&mut self.processes, &mut self.parsers, &mut self.broken].map(|numbers| {
            let mut sums = vec![0; last + 1];
            for number in numbers {
                number.come_to(last);
                sums.iter_mut().zip(&number.by_hour).for_each(|(sum, highest)| *sum += highest);
            }
            sums
        });
        Load { processes, parsers, broken, heaviest: self.heaviest }
    }
}

#[cfg(test)]
mod tests {
    use yardmaster_engine::Span;

    use super::*;

    #[test]
    fn the_highest_of_each_kind_add_up_by_the_hour() {
        let minutes = |minutes: i64| Time(0) + Span::from_minutes(minutes);
        let window = Window { from: Time(0), to: minutes(150) };
        let mut load = LoadCounter::new(Time(0), window, 2);
        let test = |kind| Counted { kind, weight: Some(2) };
        load.started(test(0), minutes(10));
        load.ended(test(0));
        // It counts until the tick that hears of its end is over.
        load.started(test(1), minutes(20));
        load.started(test(0), minutes(20));
        load.ticked(minutes(20));
        load.started(Counted { kind: 1, weight: None }, minutes(130));
        load.host_changed(0, true, minutes(70));
        load.host_changed(0, false, minutes(140));
        load.gathering_changed(1, true, minutes(155));
        let load = load.finish(minutes(190));
        // The third hour is cut in two by the end of the window.
        let processes = vec![4 + 2, 2 + 2, 2 + 2, 2 + 3, 2 + 3];
        assert_eq!(load, Load { processes, parsers: vec![0, 0, 1, 1, 1], broken: vec![0, 1, 1, 0, 0], heaviest: 2 });
        assert_eq!(Load::hours_of(Time(0), window), 0..3);
    }
}
