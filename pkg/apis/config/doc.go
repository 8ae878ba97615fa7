// Package config holds HoldfastArgs, the plugin's part of the scheduler's
// configuration, in the form that the code works with: every field set. What a file
// says is in package v1; package scheme leads from one to the other.
//
// +k8s:deepcopy-gen=package
package config
