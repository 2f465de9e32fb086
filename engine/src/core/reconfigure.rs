//! Other settings than before: what depends on them is worked out anew.

use super::Core;
use crate::ids::LabelId;
use crate::settings::Settings;
use crate::time::Span;

impl Core {
    /// Changes the settings between two ticks. What is under way goes on; deadlines of pidfiles move with the limit.
    pub fn set_settings(&mut self, settings: Settings) {
        let words = settings.notify_email_statuses.split(',');
        self.notify_statuses = words.filter_map(|word| word.trim().parse().ok()).collect();
        let (timeout, inline) = (self.pidfile_timeout(), self.settings.inline_host_acquisition);
        self.settings = settings;
        self.processes.move_deadlines(Span(self.pidfile_timeout().0 - timeout.0));
        self.skip_served_periods();
        if inline != self.settings.inline_host_acquisition {
            self.rebuild_suite_holdings();
            for host in self.rows.host_order.clone() {
                self.rows.touch(host);
            }
        }
        let labels: Vec<LabelId> = self.rows.labels.ids().collect();
        let mut changed = false;
        for label in labels {
            let usage = self.settings.label_use(&self.rows.labels[label].row.name);
            changed |= usage != self.rows.labels[label].usage;
            self.rows.labels[label].usage = usage;
        }
        if changed {
            self.refresh_all_waiting();
        }
        self.agents.may_start = true;
    }
}
