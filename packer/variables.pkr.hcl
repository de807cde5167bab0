# What an image is: images/<role>.pkrvars.hcl.
variable "role" {
  type        = string
  description = "The machine's role: the group that playbooks/configure_machine.yml configures it as."
}

variable "root_gigabytes" {
  type        = number
  description = "Size of the root volume in GiB. Small volumes load sooner from their snapshot."
}

variable "instance_type" {
  type        = string
  description = "EC2 type of the builder; empty: a medium one of the architecture."
  default     = ""
}

# What playbooks/bake_image.yml says.
variable "bake_key" {
  type        = string
  description = "Digest of everything the image is made of, 12 hexadecimal digits."
}

variable "snapshot" {
  type        = string
  description = "The repository snapshot its packages come from."
}

variable "inventory_folder" {
  type        = string
  description = "The estate's inventory: its group variables configure the image."
}

variable "ansible_playbook" {
  type        = string
  description = "The ansible-playbook to run."
  default     = "ansible-playbook"
}

# Docker
variable "docker_base" {
  type    = string
  default = "twine/base:bookworm"
}

variable "docker_network" {
  type        = string
  description = "The network on which http://repository/ answers."
  default     = "bridge"
}

variable "docker_prefix" {
  type        = string
  description = "twine-<checkout>: the image is <prefix>/<role>:<bake key>."
  default     = "twine"
}

# AWS
variable "region" {
  type    = string
  default = "eu-west-2"
}

variable "architecture" {
  type        = string
  description = "amd64 or arm64"
  default     = "amd64"

  validation {
    condition     = contains(["amd64", "arm64"], var.architecture)
    error_message = "The architecture must be amd64 or arm64."
  }
}

variable "subnet_id" {
  type        = string
  description = "A subnet from which the builder reaches the repository; empty: the default VPC's."
  default     = ""
}

variable "endpoint_url" {
  type        = string
  description = "Endpoint of EC2; empty: AWS's own."
  default     = ""
}

variable "ssh_interface" {
  type        = string
  description = "public_ip, private_ip or session_manager (which needs an instance profile); empty: the public address if there is one."
  default     = ""
}

variable "ssh_from" {
  type        = string
  description = "Range from which the builder may be logged in to (CIDR); empty: the public address of this machine."
  default     = ""

  validation {
    condition     = !can(regex("/0$", var.ssh_from))
    error_message = "The builder may not be open to the world: give one address, such as 203.0.113.7/32."
  }
}

variable "instance_profile" {
  type        = string
  description = "Instance profile of the builder, for Session Manager."
  default     = ""
}

variable "kms_key_id" {
  type        = string
  description = "Key (id, ARN or alias) that encrypts the builder's disk, and so the image; empty: AWS's own, and nobody else can copy the image."
  default     = ""
}

# Debian's own account: https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm
variable "source_owner" {
  type    = string
  default = "136693071363"
}

variable "source_name" {
  type        = string
  description = "Name of the AMI to begin with, if it must be this one; empty: the newest of the architecture."
  default     = ""
}

# QEMU
variable "qemu_image_url" {
  type        = string
  description = "Debian's generic cloud image (qcow2) of one date: an address or a file. Needed for the qemu source."
  default     = ""
}

variable "qemu_image_checksum" {
  type        = string
  description = "sha512:<digest> of that image, as Debian signs it. Needed for the qemu source."
  default     = ""
}

variable "qemu_accelerator" {
  type    = string
  default = "kvm"
}

variable "qemu_key_file" {
  type        = string
  description = "The private key of this one build. Needed for the qemu source."
  default     = ""
}

variable "qemu_public_key" {
  type        = string
  description = "The other half of it: a line of authorized_keys."
  default     = ""
}

variable "qemu_repository_program" {
  type        = string
  description = "A program that passes its input and output on to the repository: the machine knows it as http://repository/. Empty: the network has one."
  default     = ""
}
