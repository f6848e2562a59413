/**
 * How Python is started: isolated (-I), because it would otherwise import from the current directory before anything
 * else, and nobody expects a program to run ./torch/__init__.py. -I leaves out PYTHONPATH and the user's own packages as
 * well, which are legitimate homes of a torch: the prologue brings their absolute directories back, in the usual order.
 */
const prologue = `
import os, site, sys
sys.path[:0] = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(p)]
_user = None if os.environ.get("PYTHONNOUSERSITE") else site.getusersitepackages()
if _user and os.path.isabs(_user) and os.path.isdir(_user) and (
    sys.prefix == sys.base_prefix or sys.base_prefix in site.PREFIXES
) and getattr(os, "getuid", int)() == getattr(os, "geteuid", int)():
    _end = len(sys.path)
    site.addsitedir(_user)
    _added = sys.path[_end:]
    del sys.path[_end:]
    _at = [i for i, p in enumerate(sys.path) if p.endswith("-packages")] + [_end]
    sys.path[_at[0]:_at[0]] = _added
`;

/** The arguments that run a program text, with every package that Python has but nothing of the current directory. */
export const pythonCode = (code: string): string[] => ['-I', '-c', `${prologue}${code}`];

/** The arguments that run a file of ours, which may import those beside it. */
export const pythonFile = (path: string): string[] => [
  ...pythonCode(
    'import runpy\nsys.argv[:] = sys.argv[1:]\nsys.path.insert(0, os.path.dirname(sys.argv[0]))\n' +
      'runpy.run_path(sys.argv[0], run_name="__main__")',
  ),
  path,
];

/**
 * The arguments that run a module of Python's installation. pip is one: what it does depends on no package of the user's,
 * so that plain isolation is enough.
 */
export const pythonModule = (module: string, ...args: string[]): string[] => ['-I', '-m', module, ...args];
