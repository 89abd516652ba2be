#!/bin/sh
# The worker everybody writes first.
set -eu
line=$(sed 's/.*"instruction": "\([^"]*\)".*/\1/')
git checkout -q -f "$CHAOSD_BRANCH" 2>/dev/null || git checkout -q -f -b "$CHAOSD_BRANCH"
echo "$line" >>README.md
git commit -q -a -m "$line"
git push -q -f origin "HEAD:refs/heads/$CHAOSD_BRANCH"
