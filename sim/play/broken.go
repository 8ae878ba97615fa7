package play

import (
	"time"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Break plays the scenario with the steps of its i-th break, under the scheduler that the
// break is meant for, and says whether the checks fail that must.
func Break(s *scenario.Scenario, i int, o Options) (*report.BrokenRun, error) {
	b, began := &s.Breaks[i], time.Now()
	o.Scheduler = b.Under
	run, err := Run(s.Broken(i), o)
	if err != nil {
		return nil, err
	}
	broken := &report.BrokenRun{Scheduler: run.Scheduler, Until: run.Until, Checks: report.Break(b.Fails, run.Checks), Run: run}
	broken.Wall.Duration = time.Since(began).Round(time.Millisecond)
	for j := range b.Steps {
		text := b.Steps[j].Describe()
		if at := b.Steps[j].At; at != nil {
			text = "at " + at.Duration.String() + ": " + text
		}
		broken.Steps = append(broken.Steps, text)
	}
	return broken, nil
}
