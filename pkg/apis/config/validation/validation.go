// Package validation checks HoldfastArgs.
package validation

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

const (
	controllersMax = 16
	weightMax      = 100
	durationMin    = time.Second
	durationMax    = 24 * time.Hour
)

// ValidateHoldfastArgs returns every fault of the args; path is where they stand, nil
// at the top.
func ValidateHoldfastArgs(path *field.Path, args *config.HoldfastArgs) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, oneOf(path.Child("protect"), args.Protect, config.ProtectAll, config.ProtectWriters, config.ProtectNone)...)
	errs = append(errs, controllers(path.Child("controllers"), args.Controllers)...)
	errs = append(errs, oneOf(path.Child("bindOrder"), args.BindOrder, config.BindOrdinal, config.BindOrdinalReady, config.BindUnordered)...)
	if args.BindOrderTimeout.Duration != 0 {
		errs = append(errs, duration(path.Child("bindOrderTimeout"), args.BindOrderTimeout)...)
	}
	errs = append(errs, oneOf(path.Child("nodeRemoval"), args.NodeRemoval, config.RemovalManaged, config.RemovalWhenDown, config.RemovalNever)...)
	score := path.Child("score")
	errs = append(errs, weight(score.Child("attached"), args.Score.Attached)...)
	errs = append(errs, weight(score.Child("attachErrors"), args.Score.AttachErrors)...)
	errs = append(errs, weight(score.Child("attachSlots"), args.Score.AttachSlots)...)
	errs = append(errs, weight(score.Child("zoneSpread"), args.Score.ZoneSpread)...)
	errs = append(errs, duration(path.Child("attachErrorWindow"), args.AttachErrorWindow)...)
	return errs
}

func oneOf[T ~string](path *field.Path, value T, valid ...T) field.ErrorList {
	for _, v := range valid {
		if value == v {
			return nil
		}
	}
	return field.ErrorList{field.NotSupported(path, value, valid)}
}

func controllers(path *field.Path, kinds []config.ControllerKind) field.ErrorList {
	var errs field.ErrorList
	if len(kinds) > controllersMax {
		errs = append(errs, field.TooMany(path, len(kinds), controllersMax))
	}
	seen := map[config.ControllerKind]bool{}
	for i, kind := range kinds {
		at := path.Index(i)
		for _, why := range validation.IsDNS1123Subdomain(kind.Group) {
			errs = append(errs, field.Invalid(at.Child("group"), kind.Group, why))
		}
		if kind.Kind == "" {
			errs = append(errs, field.Required(at.Child("kind"), ""))
		}
		if seen[kind] {
			errs = append(errs, field.Duplicate(at, kind))
		}
		seen[kind] = true
	}
	return errs
}

func duration(path *field.Path, d metav1.Duration) field.ErrorList {
	if d.Duration < durationMin || d.Duration > durationMax {
		return field.ErrorList{field.Invalid(path, d.Duration.String(), "not in valid range [1s, 24h]")}
	}
	return nil
}

func weight(path *field.Path, w int32) field.ErrorList {
	if w < 0 || w > weightMax {
		return field.ErrorList{field.Invalid(path, w, "not in valid range [0, 100]")}
	}
	return nil
}
