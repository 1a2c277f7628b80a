package control

import (
	"errors"
	"fmt"
	"net/http"

	"supd/supervisor/api"
)

// Error says why a request failed. Code is the exit code of supctl.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"error"`

	status   int    // of HTTP; 0: the one that follows from Code
	noAnswer bool   // no supd answered: Message is the client's
	unknown  string // no app of this name is there: Message without what else may be meant
	app      string // then
}

// NoAnswer reports whether err says that no supd could be asked, or that the one
// that was asked has ended before it answered. An error that supd has answered is
// none of these.
func NoAnswer(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.noAnswer
}

// Absent makes an error of which NoAnswer is true.
func Absent(format string, args ...any) error { return absent(format, args...) }

// absent makes the error of a supd that does not answer.
func absent(format string, args ...any) *Error {
	e := fail(api.CodeNoTarget, format, args...)
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

// httpStatus is the HTTP status of a request that failed as a whole.
func httpStatus(code int) int {
	switch code {
	case api.CodeUsage:
		return http.StatusBadRequest
	case api.CodeNoTarget:
		return http.StatusNotFound
	case api.CodeInvalid:
		return http.StatusUnprocessableEntity
	case api.CodeDenied:
		return http.StatusForbidden
	case api.CodeTimeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}
