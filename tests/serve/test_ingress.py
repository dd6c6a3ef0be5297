import subprocess
import sys


def test_an_ingress_loads_no_torch() -> None:
    code = "import sys, wssis_serve.ingress; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
