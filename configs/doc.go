// Package configs holds what the configuration files say, as plain values:
// strict load, validation, what is known of servers (servers.toml), and the shipped
// files (examples and the like).
//
// A line in here may read configuration files, those of a release, the user
// database, the environment, and of servers' installed packages which version they
// are. It starts no process, binds nothing and keeps nothing: every Load gives a new
// Config that nobody changes afterwards, With not either. All runs in the caller's
// goroutine, but for Watch, which has one of its own.
package configs
