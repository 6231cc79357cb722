"""Prints what jupyter_client finds in this environment: names and folders, argv and environment of each, data folders."""
import json
import os
import sys

from jupyter_client.manager import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_core.paths import jupyter_path

manager = KernelSpecManager()
specs = {}
for name, folder in manager.find_kernel_specs().items():
    try:
        spec = manager.get_kernel_spec(name)
    except Exception:
        continue
    kernel = KernelManager(kernel_name=name, connection_file=sys.argv[1])
    kernel._launch_args = {}
    provisioner = LocalProvisioner(kernel_spec=spec)
    env = provisioner._KernelProvisionerBase__apply_env_substitutions(dict(os.environ))
    specs[name] = {"folder": folder, "argv": kernel.format_kernel_cmd(), "env": env, "display": spec.display_name, "mode": spec.interrupt_mode}
print(json.dumps({"paths": jupyter_path(), "kernels": manager.kernel_dirs, "specs": specs}), flush=True)
