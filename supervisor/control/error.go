package control

import (
	"fmt"
	"net/http"

	"supd/supervisor"
)

// Error is a request that came to nothing. Code is the exit code of supctl.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"error"`

	status int // of HTTP, where the one that follows from Code is too coarse
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
