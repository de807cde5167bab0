#!/bin/sh
# Runs in a container of the box's image: standard input is a tar of its file system, /box the folder of what is made and of grub.cfg.
# Arguments: the file system's id, the first byte of its partition, its size in KiB. No mount and no privilege: mke2fs fills a file.
set -eu

mkdir /tmp/root
tar --extract --directory=/tmp/root --xattrs --xattrs-include='*' --numeric-owner --preserve-permissions

# What Docker puts into a container is not the image's.
cd /tmp/root
rm -f .dockerenv etc/resolv.conf
ln -s ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
echo box > etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 box\n::1 localhost ip6-localhost ip6-loopback\n' > etc/hosts

rm -f /box/disk.raw
# Features that GRUB 2.06 does not read are left out.
mke2fs -q -t ext4 -O ^metadata_csum_seed,^orphan_file -L box -U "$1" -E "offset=$2,hash_seed=$1" -m 1 -d /tmp/root /box/disk.raw "$3k"
grub-mkimage -O i386-pc -p /boot/grub -c /box/grub.cfg -o /box/core.img biosdisk part_msdos ext2 linux
cp /usr/lib/grub/i386-pc/boot.img /box/boot.img
# They are for whoever asked, who need not be root.
chown --reference=/box /box/*
