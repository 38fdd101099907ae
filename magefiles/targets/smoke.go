package targets

import (
	"context"
	"errors"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Smoke goes through a running product as its users do.
type Smoke mg.Namespace

// Launch goes on the launch journey: log in, upload, share, public and upload-only links, clean up.
// -url is where the product answers (accounts: ADMIN_EMAIL, ADMIN_PASSWORD,
// VIEWER_EMAIL, VIEWER_PASSWORD). Without it an image is run for this alone, with
// secrets of its own, and removed again: that of -tag's bundle in dist, or one
// that is built of the checkout. RELEASE_STACK=process does without Docker.
func (Smoke) Launch(ctx context.Context, url, tag *string, json *bool) error {
	return smoke(ctx, "launch", url, tag, nil, json)
}

// Beta goes on the beta journey: launch, and notes, search both ways, chat, revocation, audit.
// -url and -tag as for smoke:launch.
func (Smoke) Beta(ctx context.Context, url, tag *string, json *bool) error {
	return smoke(ctx, "beta", url, tag, nil, json)
}

// Pilot is the pilot run: everything that a candidate has to live through, from boot to teardown.
// -tag as for smoke:launch. What this image has passed before is kept; -from
// names the phase to begin with. With -url it is the beta journey alone, its data
// kept: the report that it writes names that data.
func (Smoke) Pilot(ctx context.Context, url, tag, from *string, json *bool) error {
	return smoke(ctx, "pilot", url, tag, from, json)
}

// PostRestore looks at a product that was restored, and changes nothing.
// -url is where it answers. -kept is the report (.env) of the journey whose data
// must be found again, byte for byte. A public link with a password needs
// PUBLIC_SHARE_PASSWORD; ALLOW_SKIP_PUBLIC_SHARE=true is content with none.
func (Smoke) PostRestore(ctx context.Context, url, kept *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		if value(url) == "" {
			return errors.New("-url is missing: where does the restored product answer?")
		}
		return s.Smoke(ctx, pipeline.SmokeOrder{Journey: "postRestore", URL: *url, Kept: value(kept), JSON: value(json)})
	})
}

func smoke(ctx context.Context, journey string, url, tag, from *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		if value(url) != "" {
			return s.Smoke(ctx, pipeline.SmokeOrder{Journey: journey, URL: *url, JSON: value(json)})
		}
		return s.Try(ctx, pipeline.TryOrder{Name: "smoke:" + journey, Tag: value(tag), From: value(from), JSON: value(json)})
	})
}
