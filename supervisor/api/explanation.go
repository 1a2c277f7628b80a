package api

// Explanation is the launch plan of one worker, call by call.
type Explanation struct {
	Name string `json:"name"`
	Plan string `json:"plan"`
}
