package play

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// promised says what the run's scheduler is held to. With a configuration of the
// scenario's own, S6 is left to the pods that name their order themselves.
func promised(s *scenario.Scenario, cluster *engine.Cluster) (check.Rules, error) {
	if !cluster.Holdfast() {
		return check.Rules{}, nil
	}
	rules := check.Rules{Profile: cluster.SchedulerName()}
	if s.SchedulerConfiguration != "" {
		rules.BindOrder = "None"
	}
	var args struct {
		BindOrder        string           `json:"bindOrder"`
		BindOrderTimeout *metav1.Duration `json:"bindOrderTimeout"`
	}
	if err := yaml.Unmarshal(argsOf(s), &args); err != nil {
		return check.Rules{}, fmt.Errorf("args: %w", err)
	}
	if args.BindOrder != "" {
		rules.BindOrder = args.BindOrder
	}
	if args.BindOrderTimeout != nil {
		rules.BindOrderTimeout = args.BindOrderTimeout.Duration
	}
	return rules, nil
}

// violations puts into the report what was broken, and how often there was something to
// break.
func violations(run *report.Run, checker *check.Checker, log *check.Log, zero time.Time) error {
	written, met, err := log.Finish()
	if err != nil {
		return err
	}
	for _, v := range check.Merge(checker.Finish(time.Now()), written) {
		run.Violations = append(run.Violations, violation(v, zero))
	}
	for id, n := range met {
		if run.Met == nil {
			run.Met = map[string]int{}
		}
		run.Met[string(id)] = n
	}
	return nil
}
