package convert

import (
	"fmt"
	"testing"
)

func TestExpand(t *testing.T) {
	var later marks
	known := map[string]string{"program_name": "web", "numprocs": "3", "ENV_HOME": "/home/x"}
	full := expansion{known: known, later: &later, number: true}
	bare := expansion{known: known}
	for _, test := range []struct {
		x          expansion
		text, want string // "" is an error
	}{
		{bare, "a%%b", "a%b"},
		{bare, "%(program_name)s-%(numprocs)02d", "web-03"},
		{bare, "%(numprocs)3d|%(ENV_HOME)s", "  3|/home/x"},
		{bare, "%(ENV_X)s", ""},
		{bare, "%(process_num)d", ""},
		{bare, "50%", ""},
		{bare, "%USER%", ""},
		{bare, "%(program_name)d", ""},
		{bare, "%(nothing)s", ""},
		{bare, "%(program_name", ""},
		{bare, "%(program_name)", ""},
		{bare, "%(program_name)9999s", ""},
		{full, "80%(process_num)02d{x}", "80<02d>{{x}}"},
		{full, "%(ENV_X)s:%(ENV_HOME)s", "<X>:/home/x"},
		{full, "%(ENV_X)d", ""},
	} {
		got, err := test.x.expand(test.text)
		got = later.replace(got, literal, func(m mark) string { return fmt.Sprintf("<%s%s>", m.env, m.verb) })
		if err != nil {
			got = ""
		}
		if got != test.want {
			t.Errorf("%q: %q, %v; want %q", test.text, got, err, test.want)
		}
	}
}

// The variable of the slot gives the number that the process had, in each slot.
func TestSlotText(t *testing.T) {
	for _, test := range []struct {
		verb         string
		start, count int
		want         string // "" is none
	}{
		{"d", 0, 1, "0"},
		{"02d", 7, 1, "07"},
		{"d", 0, 3, "{slot0}"},
		{"d", 1, 12, "{slot}"},
		{"02d", 0, 3, "{slot0:02}"},
		{"02d", 1, 4, "{slot:02}"},
		{"02d", 0, 200, "{slot0:02}"},
		{"d", 8000, 10, "8{slot0:03}"},
		{"d", 8001, 8, "8{slot:03}"},
		{"d", 9300, 2, "93{slot0:02}"},
		{"d", 5, 3, ""},
		{"d", 8995, 10, ""},
		{"2d", 0, 3, " {slot0}"},
	} {
		got, ok := slotText(test.verb, test.start, test.count)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%%(process_num)%s from %d, %d: %q, %v; want %q", test.verb, test.start, test.count, got, ok, test.want)
		}
	}
}
