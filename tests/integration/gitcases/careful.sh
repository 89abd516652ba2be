#!/bin/sh
# A worker that knows nothing of chaosd but its environment: one message on stdin, one commit on $CHAOSD_BRANCH.
set -eu
body=$(cat)
line=$(printf '%s' "$body" | sed 's/.*"instruction": "\([^"]*\)".*/\1/')
page=pages/$(printf '%s' "$body" | sed 's/.*"sessionId": "\([^"]*\)".*/\1/').md
dir=$CHAOSD_WORKTREE/.git
rm -f "$dir/index.lock"
[ -f "$dir/index" ] || git reset -q
[ ! -d "$dir/rebase-merge" ] || git rebase --abort
[ ! -f "$dir/MERGE_HEAD" ] || git merge --abort
here=$(git symbolic-ref -q --short HEAD) || { here=kept-$(git rev-parse --short HEAD); git checkout -q -b "$here"; }
git fetch -q origin
if [ "$here" != "$CHAOSD_BRANCH" ]; then
    [ -z "$(git status --porcelain)" ] || git stash push -q -u -m "work of $here"
    git checkout -q "$CHAOSD_BRANCH" 2>/dev/null ||
        git checkout -q --no-track -b "$CHAOSD_BRANCH" "origin/$CHAOSD_MAINLINE"
    mine=$(git stash list | grep ": work of $CHAOSD_BRANCH\$" | head -1 | cut -d: -f1)
    [ -z "$mine" ] || git stash pop -q "$mine"
fi
if git rev-parse -q --verify "origin/$CHAOSD_BRANCH" >/dev/null; then
    git -c merge.default=union merge -q --no-edit --autostash "origin/$CHAOSD_BRANCH" ||
        { git diff --name-only --diff-filter=U | xargs git add --; git commit -q --no-edit; }
fi
mkdir -p pages
git log --format=%s | grep -qxF "$line" || { echo "$line" >>"$page"; git add -- "$page"; git commit -qm "$line" -- "$page"; }
git push -q origin "HEAD:refs/heads/$CHAOSD_BRANCH"
