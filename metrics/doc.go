// Package metrics answers GET /metrics for Prometheus, and GET /healthz and
// /healthz/APP, and pushes what it answers to those who do not ask. The same
// measurements, as values, are what supctl shows.
//
// Nothing is measured before somebody asks, or a push is due: a scrape reads the
// published status, /proc and the workers' cgroups, and what outlives a process (what it
// has used, why it was restarted) comes with the status, from the record. Two scrapes at
// once are one gathering. Labels are names of the configuration and words of this
// package, never what a worker says.
//
// A line in here reads /proc and cgroups, and asks the supervisor; it changes nothing but
// what the supervisor remembers of what was seen. It runs in goroutines of net/http and
// in one that pushes, where a target is configured; nobody else waits for any of them.
package metrics
