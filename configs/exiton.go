package configs

// ExitOn says when supd ends by itself, having stopped what still runs. A worker
// has failed when it is FAILED, or EXITED with a code that is no success.
type ExitOn string

// The occasions.
const (
	ExitNever     ExitOn = "never"      // only when it is told to
	ExitAnyFailed ExitOn = "any-failed" // a worker has failed
	ExitAllFailed ExitOn = "all-failed" // one has, and no other will do any more work
	ExitAllExited ExitOn = "all-exited" // no worker will do any more work
)

// endless finds a process that is started again for ever, so that supd would
// never end as it is told to.
func (t *trap) endless(on ExitOn) {
	p := t.process
	waits := on == ExitAllFailed && p.Restart != RestartNever || on == ExitAllExited && p.Restart == RestartAlways
	if waits && p.Autostart && p.GiveUpAfter == 0 {
		t.warn("give_up_after", "it is started again for ever, and exit_on = %q waits until it is not; set give_up_after, or restart = \"never\"", on)
	}
}
