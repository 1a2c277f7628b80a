// Package api has the values that the supervisor, the control API and its clients
// share: requests and their results, what runs, rollouts, targets and lists of
// releases.
//
// A line in here computes values from values, or reads the registry of releases
// for those who ask without a daemon. It starts nothing, signals nothing and
// writes nothing; any goroutine may run it.
package api
