package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"supd/cmd/demo/load"
)

const (
	scraped = 1000
	scrapes = 5
)

// scrape measures a scrape of many workers, and what it takes merely to read the files
// in /proc that it is made of.
func scrape(_ context.Context, b *bench) (err error) {
	d, err := b.supd(fmt.Sprintf("[process.idle]\ncommand = \"sleep 3000\"\ncount = %d\nready = { uptime = \"1ms\" }\n", scraped))
	if err != nil {
		return err
	}
	defer func() {
		if e := d.stop(); err == nil {
			err = e
		}
	}()
	if err := d.ready(); err != nil {
		return err
	}
	out, err := d.supctl("pid", "all")
	if err != nil {
		return err
	}
	var whole, files []time.Duration
	for i := range scrapes + 1 {
		begin := time.Now()
		if _, err := load.Body("unix", filepath.Join(d.dir, "metrics.sock"), "/metrics"); err != nil {
			return err
		}
		between := time.Now()
		readAll(strings.Fields(string(out)))
		if i > 0 { // the first one asks for proportional memory, which is kept
			whole, files = append(whole, between.Sub(begin)), append(files, time.Since(between))
		}
	}
	supd, merely := median(whole), median(files)
	b.add(row{fmt.Sprintf("scrape of %d workers; merely reading the files", scraped), millis(supd), millis(merely),
		fmt.Sprintf("%.2f", float64(supd)/float64(merely)), "≤ 2"})
	return nil
}

func readAll(pids []string) {
	for _, pid := range pids {
		for _, name := range []string{"stat", "io", "limits"} {
			_, _ = os.ReadFile("/proc/" + pid + "/" + name)
		}
		_, _ = os.Stat("/proc/" + pid + "/fd")
	}
}
