// Package control is supd's HTTP/JSON API on a unix socket, both sides of it.
//
//	GET  /v1/version
//	GET  /v1/status?target=T…[&watch=1]         watch: one JSON document a line, at each change
//	GET  /v1/figures[?target=T…]                a api.Figures
//	GET  /v1/explain?target=T
//	GET  /v1/logs?target=T[&lines=N][&follow=1] the captured output of one process, as it is
//	GET  /v1/releases?app=A                     a api.ReleaseList
//	GET  /v1/rollout?app=A[&id=N][&follow=1]    a RolloutLine a line, of the rollout under way or the last one
//	GET  /v1/audit[?app=A]                      each api.Finding
//	GET  /v1/diff[?app=A…]                      a api.Changes: what an apply would change; for operators
//	POST /v1/do                                 a api.Request, its timeout in nanoseconds
//	POST /v1/run                                a api.CommandRequest; leaves HTTP, see run.go
//
// Whoever may connect to the socket may read; root and supd's own user may act, and the
// others, guests, have a bounded number of connections. An
// error is {"code": …, "error": "…"} with the exit code that supctl ends with.
//
// A line in here may read the published Status, ask the Daemon and the Measurer,
// listen on the control socket and read log files that the Status names. It runs in
// net/http's goroutines, keeps no state of its own and changes nothing but through
// Daemon.Do and Daemon.RunFor. While nobody asks, nothing in here runs.
package control
