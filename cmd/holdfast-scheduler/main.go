// Command holdfast-scheduler is kube-scheduler with the plugin of Holdfast in its
// profiles, and the guard beside it in the same process.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // What client-go counts.
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info
)

func main() {
	os.Exit(cli.Run(newCommand()))
}
