# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options by which the operator's own credentials are found, named as in amazon.aws."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by everything that enters accounts."""

    DOCUMENTATION = r"""
options:
  profile:
    description: Profile of the operator, whose credentials assume the role of each account.
    type: str
  access_key:
    description: Access key of the operator, instead of a profile.
    type: str
  secret_key:
    description: Secret key of the operator, instead of a profile.
    type: str
  session_token:
    description: Session token of the operator, for temporary keys.
    type: str
  region:
    description: Region of accounts that do not set C(account_region).
    type: str
  endpoint_url:
    description: Endpoint to talk to instead of AWS. The environment variable E(AWS_ENDPOINT_URL) says the same.
    type: str
  credentials_file:
    description: File of profiles instead of the user's own (C(~/.aws/credentials)).
    type: path
  aws_ca_bundle:
    description: File of certificates to trust instead of botocore's own.
    type: path
  validate_certs:
    description: Whether certificates of the endpoint are checked.
    type: bool
    default: true
notes:
  - Accounts are inventory hosts. Each sets C(account_id), C(account_region), C(account_role_arn), C(account_external_id) and,
    for the first deploy only, C(account_admin_profile). One that sets C(account_release_signers), a file of allowed signers as
    C(ssh-keygen) has it, is written to only with a release that one of them signed.
requirements:
  - boto3 >= 1.34.0
  - botocore >= 1.34.0
"""
