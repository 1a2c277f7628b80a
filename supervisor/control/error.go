package control

import (
	"errors"
	"fmt"
	"net/http"

	"supd/supervisor"
)

// Error is a request that came to nothing. Code is the exit code of supctl.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"error"`

	status   int  // of HTTP, where the one that follows from Code is too coarse
	noAnswer bool // there is none: Message is the client's
}

// NoAnswer reports whether err says that no supd could be asked, or that the one
// that was asked has ended before it answered. What an answer says is another
// matter.
func NoAnswer(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.noAnswer
}

// absent is the error of a supd that does not answer.
func absent(format string, args ...any) *Error {
	e := fail(supervisor.CodeNoTarget, format, args...)
	e.noAnswer = true
	return e
}

func (e *Error) Error() string { return e.Message }

func fail(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) httpStatus() int {
	if e.status != 0 {
		return e.status
	}
	return httpStatus(e.Code)
}

// httpStatus is that of a request which failed as a whole.
func httpStatus(code int) int {
	switch code {
	case supervisor.CodeUsage:
		return http.StatusBadRequest
	case supervisor.CodeNoTarget:
		return http.StatusNotFound
	case supervisor.CodeDenied:
		return http.StatusForbidden
	case supervisor.CodeTimeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}
