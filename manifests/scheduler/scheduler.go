// Package scheduler carries the scheduler's configuration file, so that what runs
// in the simulator is what an operator installs.
package scheduler

import _ "embed" // For the configuration.

// ProfileName is the schedulerName of the profile with Holdfast in it.
const ProfileName = "holdfast"

// Configuration is a KubeSchedulerConfiguration in YAML.
//
//go:embed configuration.yaml
var Configuration []byte
