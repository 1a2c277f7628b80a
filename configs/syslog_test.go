package configs

import "testing"

// TestFacilities: the numbers are those that the C library has.
func TestFacilities(t *testing.T) {
	for name, want := range map[Facility]int{"user": 8 >> 3, "daemon": 24 >> 3, "authpriv": 80 >> 3, "local0": 128 >> 3, "local7": 184 >> 3} {
		if got := name.Number(); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
