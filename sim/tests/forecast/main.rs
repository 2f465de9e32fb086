//! Forecasts from the outside: a lab is simulated to a moment, forecast from what its database would show, and then goes on.

mod calibration;
mod exact;
mod lab;
mod questions;
