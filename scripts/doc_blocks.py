#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what the documentation shows, page by page, against an installed tree: prints TAP.

What stands behind the language of a fenced block says what becomes of it:

    ```c file=driver.c      belongs to that file; blocks of one file and page are put together
    ```sh                   is run, after all before it, in the page's folder; must succeed
    ```text                 what the block before it has printed: these lines in this order, among others;
                            `...` stands for anything. Elsewhere it is a picture, and not looked at
    ```c excerpt=PATH       stands, line by line, in that file of the source
    ```sh norun="REASON"    is not run; the reason is printed

A block of another kind is an error, so nothing is shown that nobody has tried. What a page links to must be there.
"""
import argparse
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```(\S*)\s*(.*)$")
DEADLINE = 120  # seconds for one block


class Block:
    def __init__(self, line, language, attributes):
        self.line, self.language, self.lines = line, language, []
        self.attributes = dict(word.partition("=")[::2] for word in shlex.split(attributes))

    def text(self):
        return "".join(self.lines)


def read_blocks(path):
    blocks, block = [], None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            fence = FENCE.match(line)
            if fence and block is None:
                block = Block(number, fence[1], fence[2])
            elif fence:
                blocks.append(block)
                block = None
            elif block is not None:
                block.lines.append(line)
    if block is not None:
        raise ValueError(f"{path}:{block.line}: a block that does not end")
    return blocks


def is_excerpt(block, source):
    """Whether the block's lines stand in the file, in this order; blank ones do not count."""
    with open(source, encoding="utf-8") as file:
        there = (line.strip() for line in file)
        return all(line.strip() in there for line in block.lines if line.strip())


def has_lines(wanted, printed):
    rest = iter(printed)
    for want in wanted:
        pattern = ".*".join(re.escape(part) for part in want.strip().split("..."))
        if not any(re.fullmatch(pattern, line.strip()) for line in rest):
            return want.strip()
    return None


def tree_environment(tree, folder):
    """Of someone who has installed the tree."""
    pc = next(root for root, _, names in os.walk(tree) if "opendext-iokit.pc" in names)
    runtime = os.path.join(folder, ".run")
    os.mkdir(runtime, 0o700)
    return {**os.environ, "PKG_CONFIG_PATH": pc, "LD_LIBRARY_PATH": os.path.dirname(pc),
            "BUNDLES": os.path.join(os.path.dirname(pc), "opendext"),
            "OPENDEXT_RUNTIME_DIR": runtime, "HOME": folder, "LC_ALL": "C.UTF-8",
            "PATH": os.path.join(tree, "bin") + ":" + os.environ["PATH"]}


class Page:
    """Has a folder of its own, in which build/dev is the build folder, as in the source."""

    def __init__(self, source, build, tree, path, folder):
        os.mkdir(os.path.join(folder, "build"))
        os.symlink(build, os.path.join(folder, "build", "dev"))
        self.source, self.folder = source, folder
        self.blocks = read_blocks(os.path.join(source, path))
        self.environment = tree_environment(tree, folder)
        self.printed = None  # by the block before

    def check(self, block):
        """None, or what is wrong with it."""
        printed, self.printed = self.printed, None
        if "norun" in block.attributes:
            return None
        if "excerpt" in block.attributes:
            path = block.attributes["excerpt"]
            found = is_excerpt(block, os.path.join(self.source, path))
            return None if found else f"is not what {path} says"
        if "file" in block.attributes:
            path = os.path.join(self.folder, block.attributes["file"])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "a", encoding="utf-8") as file:
                file.write(block.text())
            return None
        if block.language == "sh":
            return self.run(block)
        if block.language == "text":
            missing = has_lines(block.lines, printed) if printed is not None else None
            return None if missing is None else "was not printed: " + missing + "\n" + "\n".join(printed)
        return "nothing says what becomes of it"

    @staticmethod
    def why_not(block):
        why = block.attributes.get("norun")
        return "" if why is None else f" (shown, not run: {why})"

    def run(self, block):
        try:
            done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", block.text()], cwd=self.folder,
                                  env=self.environment, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=DEADLINE, check=False)
        except subprocess.TimeoutExpired:
            return f"has not ended after {DEADLINE} s"
        self.printed = done.stdout.splitlines()
        return None if done.returncode == 0 else f"ended with {done.returncode}\n{done.stdout}"


def dead_links(source, path):
    """None, or those of the page's links that lead nowhere."""
    folder = os.path.dirname(os.path.join(source, path))
    with open(os.path.join(source, path), encoding="utf-8") as file:
        links = LINK.findall(file.read())
    dead = [link for link in links if not os.path.exists(os.path.join(folder, link))]
    return "\n".join(dead) or None


def report(number, name, problem):
    print(f"{'ok' if problem is None else 'not ok'} {number} - {name}")
    for line in (problem or "").splitlines():
        print(f"# {line}")
    sys.stdout.flush()


def install(build, folder):
    """Installs below the folder, and has the files of pkg-config say so; returns the prefix."""
    done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", folder],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"Bail out! {done.stdout}{done.stderr}")
    for root, _, names in os.walk(folder):
        for path in (os.path.join(root, name) for name in names if name.endswith(".pc")):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            prefix = re.search("^prefix=(.*)$", text, re.MULTILINE)[1]
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(f"prefix={prefix}", f"prefix={folder}{prefix}", 1))
    return folder + prefix


def all_pages(source):
    places = ("*.md", "docs/**/*.md", "drivers/*/*.md", "examples/*/*.md")
    return [page for place in places
            for page in sorted(glob.glob(place, root_dir=source, recursive=True))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", help="build folder; what it has built is installed below a folder of the test's")
    parser.add_argument("page", nargs="*", help="Markdown, relative to the top of the source; without: all of it")
    arguments = parser.parse_args()
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    failed = number = 0
    build = os.path.abspath(arguments.build)
    with tempfile.TemporaryDirectory(prefix="opendext-docs-") as top:
        tree = install(build, os.path.join(top, "installed"))
        for path in arguments.page or all_pages(source):
            folder = tempfile.mkdtemp(dir=top)
            page = Page(source, build, tree, path, folder)
            results = ((f"{path}:{block.line} {block.language}{page.why_not(block)}", page.check(block))
                       for block in page.blocks)
            for name, problem in (*results, (f"{path} links", dead_links(source, path))):
                number += 1
                failed += problem is not None
                report(number, name, problem)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
