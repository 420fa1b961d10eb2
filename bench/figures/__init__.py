"""The figures that Rootward promises: each is measured here, beside its floor or its peer, in the same run."""
