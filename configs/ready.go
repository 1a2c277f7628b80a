package configs

import "time"

// readyKinds exclude each other.
var readyKinds = []string{"notify", "http", "tcp", "log", "exec", "file", "exit", "uptime"}

var readyKeys = append(questionKeys(
	func(r *Ready) *string { return &r.HTTP },
	func(r *Ready) *string { return &r.TCP },
	func(r *Ready) *[]string { return &r.Exec },
	func(r *Ready) *string { return &r.Socket },
	func(r *Ready) *string { return &r.File },
	func(r *Ready) *time.Duration { return &r.MaxAge },
),
	key[Ready]{name: "notify", read: func(in input, r *Ready) { r.Notify = onlyTrue(in) }},
	key[Ready]{name: "exit", read: func(in input, r *Ready) { r.Exit = onlyTrue(in) }},
	field("log", func(r *Ready) *string { return &r.Log }, regular),
	field("uptime", func(r *Ready) *time.Duration { return &r.Uptime }, duration(positive)),
	field("timeout", func(r *Ready) *time.Duration { return &r.Timeout }, duration(positive)),
)

// onlyTrue is for keys that choose something by being there.
func onlyTrue(in input) bool {
	on, ok := boolean(in)
	if ok && !on {
		in.fail("false chooses nothing; remove it")
	}
	return on
}

func checkReady(ready input, app *App, p *Process) {
	kinds := ready.kinds(readyKinds)
	if exclude(ready, kinds) {
		return
	}
	if p.Ready.Uptime >= p.Ready.Timeout && p.Ready.Timeout > 0 && ready.settled("uptime", "timeout") {
		ready.written("uptime", "timeout").fail("uptime %s is not reached within timeout %s; set a longer timeout", p.Ready.Uptime, p.Ready.Timeout)
	}
	if ready.settled(kinds...) {
		checkQuestion(ready, p.Ready.Question(), app, p)
	}
}
