package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

// SetDefaults_HoldfastArgs fills in what a file leaves out.
func SetDefaults_HoldfastArgs(args *HoldfastArgs) { //nolint:revive // The generator asks for the name.
	setDefaultWord(&args.Protect, config.ProtectAll)
	setDefaultWord(&args.BindOrder, config.BindOrdinal)
	setDefault(&args.BindOrderTimeout, metav1.Duration{})
	setDefaultWord(&args.NodeRemoval, config.RemovalManaged)
	setDefault(&args.ObserveKubelets, false)
	setDefault(&args.AttachErrorWindow, metav1.Duration{Duration: 10 * time.Minute})
	setDefault(&args.Score.Attached, 60)
	setDefault(&args.Score.AttachErrors, 20)
	setDefault(&args.Score.AttachSlots, 5)
	setDefault(&args.Score.ZoneSpread, 15)
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = ptr.To(value)
	}
}

func setDefaultWord[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}
