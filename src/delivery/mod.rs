//! The post room: queue, schedule, routes and attempts.
