"""Changes to what a UNet computes inside, one a file; see `passing.Patch`."""
