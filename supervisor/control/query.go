package control

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"supd/supervisor/api"
)

// query holds the parameters of a URL.
type query map[string][]string

// parameters reads the query. It refuses a name that is not among known: a
// parameter that does nothing is worse than an error.
func parameters(r *http.Request, known ...string) (query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fail(api.CodeUsage, "%s: %s", r.URL.Path, err)
	}
	for name := range values {
		if !slices.Contains(known, name) {
			return nil, fail(api.CodeUsage, "%s: unknown parameter %q, known are %q", r.URL.Path, name, known)
		}
	}
	return query(values), nil
}

func (q query) one(name string) (string, error) {
	if len(q[name]) != 1 {
		return "", fail(api.CodeUsage, "parameter %q: want it once", name)
	}
	return q[name][0], nil
}

// flag reads a parameter that is 1, 0 or left out.
func (q query) flag(name string) (bool, error) {
	n, err := q.number(name, 0, 1)
	return n == 1, err
}

// time reads a moment as RFC 3339 has it. If it is left out, it is zero.
func (q query) time(name string) (time.Time, error) {
	if len(q[name]) == 0 {
		return time.Time{}, nil
	}
	text, err := q.one(name)
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fail(api.CodeUsage, "parameter %q: want a time such as 2026-11-24T12:00:00Z, got %q", name, text)
	}
	return at, nil
}

// position reads a place in a log. If it is left out, it is nil.
func (q query) position(name string) (*position, error) {
	if len(q[name]) == 0 {
		return nil, nil
	}
	text, err := q.one(name)
	if err != nil {
		return nil, err
	}
	p, ok := parsePosition(text)
	if !ok {
		return nil, fail(api.CodeUsage, "parameter %q: want what an answer has had as %s, got %q", name, positionHeader, text)
	}
	return &p, nil
}

// number reads a parameter from 0 to highest. If it is left out, its value is
// otherwise.
func (q query) number(name string, otherwise, highest int) (int, error) {
	if len(q[name]) == 0 {
		return otherwise, nil
	}
	text, err := q.one(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > highest {
		return 0, fail(api.CodeUsage, "parameter %q: want a number from 0 to %d, got %q", name, highest, text)
	}
	return n, nil
}
