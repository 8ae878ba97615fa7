package guard_test

import (
	"os"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/engine"
)

func TestMain(m *testing.M) {
	engine.DiscardLogs()
	os.Exit(m.Run())
}
