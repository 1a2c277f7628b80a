package release

import (
	"errors"
	"fmt"
	"strings"

	"supd/configs"
)

// checkNames checks an app's name and a version: both become file names.
func checkNames(app, version string) error {
	if err := checkApp(app); err != nil {
		return err
	}
	return checkVersion(version)
}

// checkApp has the same rule as the names of app files.
func checkApp(app string) error {
	const low = "abcdefghijklmnopqrstuvwxyz0123456789"
	if app == "" || len(app) > 64 || strings.Trim(app, low+"_-") != "" || strings.IndexByte(low, app[0]) < 0 {
		return fmt.Errorf("%q is no app's name: want 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit", app)
	}
	return nil
}

func checkVersion(version string) error {
	if problem := configs.VersionProblem(version); problem != "" {
		return errors.New(problem)
	}
	return nil
}
