package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// The examples are those of the Nagios plug-in guidelines, and a few more.
func TestBounds(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		text        string
		alerts, not []float64
	}{
		{"10", []float64{-0.1, 10.1, inf, -inf}, []float64{0, 5, 10}},
		{"10:", []float64{9.9, -inf}, []float64{10, 1e9, inf}},
		{"~:10", []float64{10.1, inf}, []float64{-inf, -5, 0, 10}},
		{"10:20", []float64{9, 21}, []float64{10, 15, 20}},
		{"@10:20", []float64{10, 15, 20}, []float64{9, 21}},
		{"@10", []float64{0, 10}, []float64{-1, 11}},
		{"0", []float64{1, -1}, []float64{0}},
		{"1.5:2.5", []float64{1, 3}, []float64{1.5, 2, 2.5}},
		{"-10:-5", []float64{-11, 0}, []float64{-10, -5}},
		{":7", []float64{8, -1}, []float64{0, 7}},
		{"~:", nil, []float64{-inf, 0, inf}},
		{":", []float64{-1}, []float64{0, inf}},
		{"@~:", []float64{-inf, 0, inf}, nil},
	} {
		b, err := parseBounds(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		for _, value := range c.alerts {
			if !b.alerts(value) {
				t.Errorf("%s: no alert at %v", c.text, value)
			}
		}
		for _, value := range c.not {
			if b.alerts(value) {
				t.Errorf("%s: alert at %v", c.text, value)
			}
		}
	}
	if (bounds{}).alerts(inf) {
		t.Error("nothing alerts")
	}
	for _, text := range []string{"", "@", "~", "a", "10:a", "10 ", "1e3", "0x10", "inf", "~:~", "10:5", "1:2:3", "10%", "--1", "1.", ".5", "@@1", "+1", "١"} {
		if b, err := parseBounds(text); err == nil {
			t.Errorf("%q is %+v", text, b)
		}
	}
}

func FuzzBounds(f *testing.F) {
	for _, text := range []string{"10", "10:", "~:10", "@10:20", "-1.5:2", "~:", strings.Repeat("9", 400)} {
		f.Add(text, 5.0)
	}
	f.Fuzz(func(t *testing.T, text string, value float64) {
		b, err := parseBounds(text)
		if err != nil {
			return
		}
		if b.low > b.high || math.IsNaN(b.low) || b.text != text || strings.ContainsAny(text, " |;='\n") {
			t.Errorf("%q is %+v", text, b)
		}
		if within, is := strings.CutPrefix(text, "@"); is { // @ turns it round
			other, err := parseBounds(within)
			if err != nil || other.alerts(value) == b.alerts(value) && !math.IsNaN(value) {
				t.Error(fmt.Sprintf("%q at %v: %t, and without @", text, value, b.alerts(value)), err)
			}
		}
	})
}
