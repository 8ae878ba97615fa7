package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Smaller makes a scenario file smaller that breaks something.
type Smaller struct {
	// File is the scenario.
	File string
	// By is the scheduler under which it breaks something.
	By scenario.Scheduler
	// Broken are the invariants, of which one has to break in everything that is smaller.
	Broken []string
	// Tries is how often it is played at most, and Limit how long each may take, in wall
	// time. What takes longer did not break anything.
	Tries int
	Limit time.Duration
	// Play plays.
	Play Player
	// Tell is told of every try; nil: nobody is.
	Tell func(steps int, failed bool)
}

// Find looks for it, and returns the smaller file.
func (m *Smaller) Find(ctx context.Context) ([]byte, error) {
	s, err := raw(m.File)
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(m.File)
	small, err := Shrink(s, folder, m.Tries, func(candidate *scenario.Scenario) (bool, error) {
		failed, err := m.breaks(ctx, folder, candidate)
		if err == nil && m.Tell != nil {
			m.Tell(len(candidate.Timeline), failed)
		}
		return failed, err
	})
	if err != nil {
		return nil, err
	}
	return File(small, fmt.Sprintf("%s broken under %s. Made smaller from %s: %d of %d steps.",
		strings.Join(m.Broken, ", "), schedulerWords(m.By), filepath.Base(m.File), len(small.Timeline), len(s.Timeline)))
}

// breaks plays a candidate. Its file stands beside the first one, and is gone afterwards.
func (m *Smaller) breaks(ctx context.Context, folder string, candidate *scenario.Scenario) (bool, error) {
	file, err := Candidate(folder, candidate)
	if err != nil {
		return false, err
	}
	defer os.Remove(file) //nolint:errcheck // Of a temporary file nothing more can be said.
	o := Outcome{Scheduler: m.By}
	PlayOnce(ctx, m.Play, m.Limit, candidate, file, &o)
	return o.breaks(m.Broken), ctx.Err()
}

// Candidate writes a scenario as a file of the folder, for the caller to remove. It belongs
// beside the scenario that it was made from, for it names its objects from there.
func Candidate(folder string, candidate *scenario.Scenario) (file string, err error) {
	data, err := File(candidate)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(folder, ".candidate-*.yaml")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name()) //nolint:errcheck // The first error says more.
		return "", err
	}
	return f.Name(), nil
}

// raw reads a scenario file as it was written, without defaults: what is written again
// has nothing that nobody wrote.
func raw(file string) (*scenario.Scenario, error) {
	if _, err := scenario.Load(file); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &scenario.Scenario{}
	if err := yaml.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	return s, nil
}
