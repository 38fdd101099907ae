package product

import (
	"fmt"
	"slices"
	"strings"
)

// validate wants all fields: a product that runs on Docker says all of it.
func (c Compose) validate(fault faultFunc, form formFunc, absolute func(field, value string), patterns func(field string, values []string)) {
	for _, l := range []struct {
		field string
		paths []string
	}{{"Files", c.Files}, {"Production", c.Production}, {"Drill", c.Drill}, {"Config", c.Config}} {
		if len(l.paths) == 0 {
			fault("Compose."+l.field, "is empty: name at least one file, or leave Compose out")
		}
		patterns("Compose."+l.field, l.paths)
	}
	form("Compose.DrillProject", c.DrillProject, projectForm, "a project name of lower-case letters, digits, dashes and underscores")
	once := distinct(fault)
	for _, s := range [][2]string{{"Backend", c.Backend}, {"Database", c.Database}, {"ObjectStore", c.ObjectStore}, {"Proxy", c.Proxy}} {
		form("Compose."+s[0], s[1], serviceForm, "a service's name")
		once("Compose."+s[0], s[1])
	}
	tcpPort(fault, "Compose.BackendPort", c.BackendPort)
	tcpPort(fault, "Compose.ProxyPort", c.ProxyPort)
	once = distinct(fault)
	for _, v := range [][2]string{{"DatabaseVolume", c.DatabaseVolume}, {"ObjectVolume", c.ObjectVolume}} {
		form("Compose."+v[0], v[1], serviceForm, "a volume's name")
		once("Compose."+v[0], v[1])
	}
	absolute("Compose.ObjectPath", c.ObjectPath)
	form("Compose.DatabaseName", c.DatabaseName, databaseForm, "a database's name of lower-case letters, digits and underscores")
	form("Compose.DatabaseUser", c.DatabaseUser, databaseForm, "a database user of lower-case letters, digits and underscores")
	once = distinct(fault)
	for _, v := range [][2]string{
		{"ImageEnv", c.ImageEnv}, {"PullEnv", c.PullEnv}, {"DatabaseURLEnv", c.DatabaseURLEnv},
		{"DatabasePasswordEnv", c.DatabasePasswordEnv}, {"ObjectUserEnv", c.ObjectUserEnv}, {"ObjectPasswordEnv", c.ObjectPasswordEnv},
	} {
		form("Compose."+v[0], v[1], variableForm, aVariable)
		once("Compose."+v[0], v[1])
	}
}

// distinct gives a function that finds a value that stood elsewhere already.
func distinct(fault faultFunc) func(field, value string) {
	seen := map[string]string{}
	return func(field, value string) {
		if other, ok := seen[value]; ok && value != "" {
			fault(field, "%q stands at %s already", value, other)
		}
		seen[value] = field
	}
}

// triable are the targets that a release can be made to pass.
var triable = []string{
	"test:backend", "test:frontend",
	"smoke:launch", "smoke:beta", "smoke:pilot",
	"drill:backup", "drill:restore", "drill:upgrade", "drill:failure",
}

func (t Tries) validate(fault faultFunc, frontend, run bool) {
	for _, l := range []struct {
		field   string
		targets []string
	}{{"Edge", t.Edge}, {"Candidate", t.Candidate}, {"Stable", t.Stable}, {"Uncovered", t.Uncovered}, {"Critical", t.Critical}} {
		once := distinct(fault)
		for i, v := range l.targets {
			at := fmt.Sprintf("Tries.%s[%d]", l.field, i)
			switch {
			case !slices.Contains(triable, v):
				fault(at, "%q is none of %q", v, triable)
			case v == "test:frontend" && !frontend:
				fault(at, "%q has nothing to test: Frontend is nil", v)
			case !strings.HasPrefix(v, "test:") && !run:
				fault(at, "%q has nothing to run: Run is nil", v)
			}
			once(at, v)
		}
	}
}
